"""The life of a round: trainers open it; a coordinator loads its results, judges and publishes them."""
