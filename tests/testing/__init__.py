"""Tests of the servers and the proxy that all other tests stand on."""
