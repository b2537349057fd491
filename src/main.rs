//! The executable: wires roles and commands.

fn main() {}
