"""Row-lifecycle rules as statements, never as loops. One file each; `contract` says what they all answer."""
