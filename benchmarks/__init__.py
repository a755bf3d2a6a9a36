"""How fast Helios is on this machine, beside its peers and beside what can't be avoided."""
