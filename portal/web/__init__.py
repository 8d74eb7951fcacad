"""How people reach what the portal knows: pages, commands, mail."""
