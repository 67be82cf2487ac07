"""What every floor uses: errors, files that are whole or absent, progress bars, public names."""
