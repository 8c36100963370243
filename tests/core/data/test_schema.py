"""The schema: migrations and models agree, newer and foreign databases are refused, alembic stays out of a start."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

from tuinova.core.conductor import Conductor, DatabaseUnavailable, schema, utcnow
from tuinova.core.errors import DatabaseTooNew
from tuinova.core.migrations import HEAD, REVISIONS
from tuinova.core.migrations.upgrade import alembic_config, upgrade
from tuinova.core.models import metadata


def engine_at(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}")


def tables(engine: Engine) -> dict[str, tuple[object, ...]]:
    """Each table with its columns and indexes as SQLite tells them."""
    found: dict[str, tuple[object, ...]] = {}
    with engine.connect() as connection:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all():
            columns = connection.execute(text(f"PRAGMA table_info('{name}')")).all()
            keys = connection.execute(text(f"PRAGMA foreign_key_list('{name}')")).all()
            indexes = set()
            for index in connection.execute(text(f"PRAGMA index_list('{name}')")).all():
                members = connection.execute(text(f"PRAGMA index_info('{index.name}')")).all()
                label = "" if index.name.startswith("sqlite_autoindex") else index.name
                indexes.add((label, index.unique, tuple(member.name for member in members)))
            sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name}).scalar()
            autoincrement = "AUTOINCREMENT" in str(sql)
            found[name] = (
                [tuple(column) for column in columns],
                {tuple(key)[2:5] for key in keys},
                indexes,
                autoincrement,
            )
    return found


def test_migrations_and_models_make_the_same_tables(tmp_path):
    migrated, made = engine_at(tmp_path / "a"), engine_at(tmp_path / "b")
    upgrade(migrated)
    schema.prepare(made, utcnow())
    assert tables(migrated) == tables(made)
    assert set(metadata.tables) <= set(tables(made))
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_known_revisions_are_those_of_the_scripts_in_order():
    scripts = ScriptDirectory.from_config(alembic_config())
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
    assert scripts.get_current_head() == HEAD


def test_every_migration_can_be_taken_back(tmp_path):
    from alembic import command

    engine = engine_at(tmp_path / "a")
    upgrade(engine)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(tables(engine)) <= {"alembic_version", "sqlite_sequence"}


def test_an_older_database_is_upgraded_when_it_is_opened(tmp_path):
    path = tmp_path / "old.sqlite"
    engine = engine_at(path)
    upgrade(engine, REVISIONS[0])
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO role (id, name) VALUES ('kept', 'kept')"))
    engine.dispose()
    conductor = Conductor(f"sqlite:///{path}")
    conductor.open()
    assert conductor.instances() == []
    with conductor._reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
        assert connection.execute(text("SELECT name FROM role")).scalars().all() == ["kept"]
    conductor.close()


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "old.sqlite"
    engine = engine_at(path)
    upgrade(engine, REVISIONS[0])
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE work_order (in_the_way INTEGER)"))
    before = tables(engine)
    with pytest.raises(DatabaseUnavailable, match="work_order"):
        Conductor(f"sqlite:///{path}").open()
    assert tables(engine) == before


def test_a_database_of_a_newer_version_is_refused(database_url, conductor):
    conductor._write(lambda tx: tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    conductor.close()
    with pytest.raises(DatabaseTooNew, match=f"at schema 9999, this version knows up to {HEAD}"):
        Conductor(database_url).open()


def test_somebody_elses_database_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE instance (mine TEXT)")
    with pytest.raises(DatabaseUnavailable, match="tuinova did not make"):
        Conductor(f"sqlite:///{path}").open()
    assert set(tables(engine_at(path))) == {"instance"}


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "text.sqlite"
    path.write_text("This is no database, but it is long enough to be taken for one." * 40)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        Conductor(f"sqlite:///{path}").open()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DatabaseUnavailable):
        Conductor(f"sqlite:///{blocked}/x.sqlite").open()


def test_opening_imports_no_alembic(tmp_path):
    program = f"""
import sys
from tuinova.core.conductor import Conductor
for _ in range(2):
    conductor = Conductor("sqlite:///{tmp_path}/x.sqlite")
    conductor.open()
    conductor.close()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("alembic", "mako")))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_fresh_database_has_the_seeds(conductor):
    from tuinova.core.conductor import FlavorFilter

    flavors = conductor.flavors(FlavorFilter(is_public=None))
    assert {(flavor.id, flavor.name, flavor.memory_mb, flavor.root_gb, flavor.vcpus) for flavor in flavors} == {
        ("42", "m1.nano", 64, 0, 1),
        ("84", "m1.micro", 128, 0, 1),
        ("1", "m1.tiny", 512, 1, 1),
        ("2", "m1.small", 2048, 20, 1),
        ("3", "m1.medium", 4096, 40, 2),
        ("4", "m1.large", 8192, 80, 4),
        ("5", "m1.xlarge", 16384, 160, 8),
        ("c1", "cirros256", 256, 1, 1),
        ("d1", "ds512M", 512, 5, 1),
        ("d2", "ds1G", 1024, 10, 1),
        ("d3", "ds2G", 2048, 10, 2),
        ("d4", "ds4G", 4096, 20, 4),
    }
    assert all(flavor.extra_specs == {"hw_rng:allowed": "True"} for flavor in flavors)
    assert [project.name for project in conductor.projects()] == ["admin", "demo"]
    assert [user.name for user in conductor.users()] == ["admin", "demo"]
    admin, demo = (conductor.quota_limits(project.id) for project in conductor.projects())
    assert (admin.instances, admin.cores, admin.ram) == (-1, -1, -1)
    assert (demo.instances, demo.cores, demo.ram) == (10, 20, 51200)
