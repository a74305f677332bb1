"""What people think of it: queues, triage, annotation, themes, trends."""
