"""Recurrent classifiers: the network, the classifier around it, and its files."""
