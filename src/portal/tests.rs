//! The client against canned bytes, and against every recorded exchange.
