"""What an unfriendly visitor can send."""
