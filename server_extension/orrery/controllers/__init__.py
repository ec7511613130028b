"""What the platform does about resources: commands write what is wanted, controllers move what is."""
