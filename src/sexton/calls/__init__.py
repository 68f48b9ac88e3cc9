"""What is on record about calls to the outside: whose row is called for, who rests, how many may begin."""
