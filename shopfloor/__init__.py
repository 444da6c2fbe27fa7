"""The shared language of every Officina program: signals, samples, states, periods, wire messages, stores, runtime."""
