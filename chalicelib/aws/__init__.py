"""The only code that knows AWS: it implements `interfaces` and is wired in the cloud."""
