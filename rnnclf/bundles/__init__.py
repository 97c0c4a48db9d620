"""Models that leave the house: by themselves, several as one, as ONNX, or handed in."""
