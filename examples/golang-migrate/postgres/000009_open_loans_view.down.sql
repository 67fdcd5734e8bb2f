DROP VIEW open_loans;
