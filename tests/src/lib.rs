//! Programs run natively and under vload, and compared.
