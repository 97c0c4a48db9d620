"""Where the trials of a study are kept, who may change them, and whose workers are alive."""
