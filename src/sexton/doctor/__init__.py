"""What `sexton doctor` asks a database about jobs: each question in a short transaction that reads only."""
