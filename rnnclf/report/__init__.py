"""One self-contained page about the runs and studies below folders."""
