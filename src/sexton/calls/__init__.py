"""Who may be called now: budgets of calls, and how those who are called are doing. Only our own tables; no call."""
