//! File, environment and flags into one checked [`Config`]. Nothing else reads settings.
