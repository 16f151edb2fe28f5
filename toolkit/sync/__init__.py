"""Models kept the same in many clouds: desired versions, queued sessions, atomic switches."""
