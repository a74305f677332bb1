from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


class TestServices:
    def test_keep_their_data_from_one_start_to_the_next(self, directory: Path) -> None:
        with embedded.services(directory=directory, log=print) as running:
            with psycopg.connect(running.urls.database) as connection:
                connection.execute("CREATE EXTENSION vector")
                connection.execute("CREATE TABLE kept (v vector(2))")
                connection.execute("INSERT INTO kept VALUES ('[1,2]')")
            redis.Redis.from_url(running.urls.redis).set("kept", "too")
        with embedded.services(directory=directory, log=print) as running:
            with psycopg.connect(running.urls.database) as connection:
                assert connection.execute("SELECT v::text FROM kept").fetchall() == [("[1,2]",)]
            assert redis.Redis.from_url(running.urls.redis).get("kept") == b"too"

    def test_refuse_whoever_has_no_password(self, directory: Path) -> None:
        with embedded.services(directory=directory, log=print) as running:
            bare = psycopg.conninfo.conninfo_to_dict(running.urls.database) | {
                "password": "guessed"
            }
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(**bare)  # type: ignore[arg-type]
            port = int(running.urls.redis.rsplit(":", 1)[1].split("/")[0])
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port).get("x")

    def test_recover_after_a_kill(self, directory: Path) -> None:
        servers: list[embedded.Server] = []
        embedded.prepare(directory)
        url = embedded.start_postgres(directory / "postgres", log=print, servers=servers)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        servers[0].process.kill()
        servers[0].process.wait()
        said: list[str] = []
        with (
            embedded.services(directory=directory, log=said.append) as running,
            psycopg.connect(running.urls.database) as connection,
        ):
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert any("recovering" in line for line in said)

    def test_do_not_start_twice_on_the_same_data(self, directory: Path) -> None:
        with (
            embedded.services(directory=directory, log=print),
            pytest.raises(embedded.ServiceError, match="Another Postil is running"),
            embedded.services(directory=directory, log=print),
        ):
            pass

    def test_say_when_the_disk_is_full(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "MIN_FREE_BYTES", 2**60)
        with (
            pytest.raises(embedded.ServiceError, match="Free some space"),
            embedded.services(directory=directory, log=print),
        ):
            pass
