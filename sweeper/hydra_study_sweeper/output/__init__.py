"""What a study shows and leaves behind: progress, records, figures."""
