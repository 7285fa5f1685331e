"""The torch modules that ops build. Importing anything here imports torch."""
