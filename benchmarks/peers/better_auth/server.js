// better-auth behind Node's own HTTP server, as its documentation puts it together: accounts with
// e-mail and password, logins in the database, read from it at each request.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

function open(url) {
  if (!url.startsWith("sqlite:")) return new pg.Pool({ connectionString: url });
  const database = new DatabaseSync(url.replace("sqlite:///", ""));
  // Not its default, but nobody would be without.
  database.exec("PRAGMA journal_mode = WAL");
  return database;
}

const auth = betterAuth({
  baseURL: process.env.BASE_URL,
  secret: process.env.SECRET,
  database: open(process.env.DATABASE_URL),
  emailAndPassword: { enabled: true },
  // All who ask here have one address.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
createServer(toNodeHandler(auth)).listen(Number(process.env.PORT), "127.0.0.1");
