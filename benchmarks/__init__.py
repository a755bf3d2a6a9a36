"""Measures the speed of Helios on this machine, compared with its peers and with a lower bound."""
