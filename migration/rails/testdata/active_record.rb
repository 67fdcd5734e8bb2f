# What bin/rails db:migrate and db:migrate:status do, with Active Record alone.
#
#   ruby active_record.rb FOLDER migrate|status...
require "active_record"

ActiveRecord::Base.establish_connection(ENV.fetch("RECORD_URL"))
ActiveRecord::Migration.verbose = false
ActiveRecord::Migrator.migrations_paths = [ARGV.shift]
base = ActiveRecord::Base
context = base.connection.respond_to?(:migration_context) ? base.connection.migration_context : base.connection_pool.migration_context
ARGV.each do |command|
  case command
  when "migrate" then context.migrate
  when "status" then context.migrations_status.each { |status| puts status.join(" ") }
  end
end
