"""What a study searches: overrides, dimensions, points, and the configurations they make."""
