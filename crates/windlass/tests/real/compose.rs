//! A compose file as projects have them, taken over and deployed.

use std::time::Duration;

use crate::http::get;
use crate::needs::{Need, are_met};
use crate::place::{Place, wait_for};

const COMPOSE: &str = r#"
services:
  web:
    build: .
    command: gunicorn app:app --bind 0.0.0.0:8000 --workers 2
    ports:
      - "8080:8000"
    env_file: .env
    environment:
      DATABASE_URL: postgresql://app:${POSTGRES_PASSWORD}@db:5432/notes
      REDIS_URL: redis://cache:6379/0
    depends_on:
      db:
        condition: service_healthy
      cache:
        condition: service_healthy
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8000/health"]
      interval: 5s
      timeout: 3s
      retries: 3
      start_period: 20s
    restart: unless-stopped
    deploy:
      replicas: 2

  worker:
    build: .
    command: ["python", "worker.py"]
    env_file:
      - .env
    environment:
      - REDIS_URL=redis://cache:6379/0
      - DATABASE_URL=postgresql://app:${POSTGRES_PASSWORD}@db:5432/notes
    depends_on: [db, cache]
    restart: unless-stopped
    stop_grace_period: 20s

  db:
    image: postgres:15-alpine
    environment:
      POSTGRES_USER: app
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}
      POSTGRES_DB: notes
    volumes:
      - data:/var/lib/postgresql/data
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U app -d notes"]
      interval: 5s

  cache:
    image: redis:7-alpine
    healthcheck:
      test: ["CMD", "redis-cli", "ping"]

volumes:
  data:
"#;

/// Counts visits in Redis and hands each to the worker; shows what the worker wrote down.
const APP: &str = r#"
import os

import psycopg
import redis
from flask import Flask

app = Flask(__name__)
queue = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.get("/health")
def health():
    queue.ping()
    return "ok"


@app.get("/")
def visit():
    queue.rpush("visits", os.environ["GREETING"])
    return "thank you"


@app.get("/notes")
def notes():
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        return str(db.execute("select count(*) from notes where text = %s", [os.environ["GREETING"]]).fetchone()[0])
"#;

const WORKER: &str = r#"
import os

import psycopg
import redis

queue = redis.Redis.from_url(os.environ["REDIS_URL"])
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
    db.execute("create table if not exists notes (text text)")
    while True:
        _, text = queue.blpop("visits")
        db.execute("insert into notes values (%s)", [text.decode()])
"#;

#[test]
fn a_compose_file_is_taken_over_and_deployed() {
    let needs = [Need::Python, Need::Postgres, Need::Program("redis-server"), Need::PyPi("flask")];
    if !are_met("compose", &needs) {
        return;
    }
    let place = Place::new("notes");
    place.write("compose.yaml", COMPOSE);
    place.write("app.py", APP);
    place.write("worker.py", WORKER);
    place.write("requirements.txt", "flask\ngunicorn\nredis\npsycopg[binary]\n");
    place.write(".env", "GREETING=hello\nPOSTGRES_PASSWORD=not-used-here\n");

    let said = place.windlass(&["import", "compose", "compose.yaml"]).exits(0);
    assert!(said.err.contains("services.web.build"), "the image's build is told of: {}", said.err);
    // What the image did is done by steps.
    let manifest = place.read("windlass.toml");
    assert!(manifest.contains("\n[build]") && manifest.contains("-r requirements.txt"), "{manifest}");
    assert!(manifest.contains("--bind 127.0.0.1:{port}"), "nobody gets past the proxy: {manifest}");
    place.edit("windlass.toml", "0.0.0.0:8080", &format!("127.0.0.1:{}", place.port));
    place.windlass(&["check"]).exits(0);
    place.windlass(&["deploy"]).exits(0);

    for _ in 0..3 {
        assert_eq!(get(place.port, "/").body, "thank you");
    }
    wait_for("the worker writes down three visits", Duration::from_secs(10), || {
        get(place.port, "/notes").body == "3"
    });
    assert_eq!(place.pids("web").len(), 2);
    place.down();
}
