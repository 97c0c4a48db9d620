"""From the folders that runs and studies leave to the model that is handed in."""
