"""The service beside a sender: HTTP control, feedback, metrics, the live page."""
