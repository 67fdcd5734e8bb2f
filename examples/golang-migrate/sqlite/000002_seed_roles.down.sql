DROP TABLE settings;
DELETE FROM roles WHERE id NOT IN (SELECT role_id FROM members);
