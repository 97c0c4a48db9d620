"""What users type: the commands of `rnnclf`, and the Hydra application behind those that train."""
