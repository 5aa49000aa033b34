"""Outages, full disks, upgrades and restores: what RELIABILITY promises of them, with figures."""
