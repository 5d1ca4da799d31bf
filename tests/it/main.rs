mod bad_input;
mod golden;
