"""The data folder of Qlib: what it holds on each day, and the frames that handlers load of it, which workers share."""
