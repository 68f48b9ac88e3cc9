"""The pages for monitors, over real sockets."""
