DROP TABLE loan_counts;
