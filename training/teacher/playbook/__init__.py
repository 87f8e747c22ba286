"""The written playbook: passages that say what to do, the rules in them, and how they are found."""
