"""The client: programs that speak to an agent over its REST interface."""
