<?php
// Runs Laravel's migrator as `artisan migrate` does, without the rest of an application.
require '/usr/share/php/Illuminate/Database/autoload.php';
require '/usr/share/php/Illuminate/Filesystem/autoload.php';

use Illuminate\Database\Capsule\Manager;
use Illuminate\Database\Migrations\DatabaseMigrationRepository;
use Illuminate\Database\Migrations\Migrator;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Support\Facades\Facade;

error_reporting(E_ALL & ~E_DEPRECATED);
$url = parse_url(preg_replace('/^sqlite:/', 'sqlite://localhost', getenv('DATABASE_URL')));
$driver = ['postgres' => 'pgsql', 'mysql' => 'mysql', 'mariadb' => 'mysql', 'sqlite' => 'sqlite'][$url['scheme']];
$manager = new Manager();
$manager->addConnection([
    'driver' => $driver,
    'host' => $url['host'],
    'port' => $url['port'] ?? null,
    'username' => urldecode($url['user'] ?? ''),
    'password' => urldecode($url['pass'] ?? ''),
    'database' => $driver === 'sqlite' ? $url['path'] : urldecode(substr($url['path'], 1)),
    'charset' => $driver === 'mysql' ? 'utf8mb4' : 'utf8',
    'collation' => 'utf8mb4_unicode_ci',
    'prefix' => '',
]);
$manager->setAsGlobal();

$resolver = $manager->getDatabaseManager();
$repository = new DatabaseMigrationRepository($resolver, 'migrations');
if (!$repository->repositoryExists()) {
    $repository->createRepository();
}
$migrator = new Migrator($repository, $resolver, new Filesystem());
if (($argv[2] ?? '') === 'status') {
    $batches = $repository->getMigrationBatches();
    foreach ($migrator->getMigrationFiles([$argv[1]]) as $name => $file) {
        echo isset($batches[$name]) ? "Ran $batches[$name] $name\n" : "Pending $name\n";
    }
    exit;
}
foreach ($migrator->run([$argv[1]]) ?: ['Nothing to migrate'] as $file) {
    echo "$file\n";
}
