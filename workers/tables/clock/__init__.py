"""Times of every form, and local times where clocks change."""
