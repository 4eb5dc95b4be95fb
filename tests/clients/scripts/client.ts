// Uses the types that openapi-typescript makes, as an application would. Takes the service's URL.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: process.argv[2]! });
const address = `k${crypto.randomUUID()}@camelot.bt`;
const form = {
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
  bodySerializer: (body: Record<string, unknown>) =>
    new URLSearchParams(body as Record<string, string>),
};

function expect(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

// Neither flags nor anything else with a default has to be sent.
const person = { email: address, password: "excalibur 1" };
const made = await client.POST("/auth/register", { body: person });
expect(made.data?.is_verified === false, "registered");

const again = await client.POST("/auth/register", { body: person });
if (again.error === undefined) throw new Error("registered twice");
switch (again.error.detail) {
  case "REGISTER_USER_ALREADY_EXISTS":
    break;
  default:
    throw new Error("another code");
}
const short = await client.POST("/auth/register", { body: { ...person, password: "x" } });
const detail = short.error?.detail;
if (typeof detail !== "object" || !("code" in detail)) throw new Error("no reason");
expect(detail.code === "REGISTER_INVALID_PASSWORD" && detail.reason !== "", "the reason");

const refused = await client.POST("/auth/jwt/login", {
  body: { username: address, password: "wrong" },
  ...form,
});
expect(refused.response.status === 400, "refused");
expect(refused.error?.detail === "LOGIN_BAD_CREDENTIALS", "the code");
// @ts-expect-error No such code: the codes are enumerated.
expect(refused.error?.detail !== "LOGIN_BAD_CREDENTIAL", "a code that does not exist");

const login = await client.POST("/auth/jwt/login", {
  body: { username: address, password: person.password },
  ...form,
});
if (login.data === undefined) throw new Error("not logged in");
const seconds: number = login.data.expires_in;
const kind: "bearer" = login.data.token_type;
const headers = { Authorization: `${kind} ${login.data.access_token}` };

const me = await client.GET("/users/me", { headers });
const id: string | undefined = me.data?.id;
expect(id !== undefined && me.data?.email === address && seconds > 0, "read");
const nobody = await client.GET("/users/me");
expect(nobody.error?.detail === "Unauthorized", "401");
const other = await client.GET("/users/{id}", { headers, params: { path: { id: id! } } });
expect(other.error?.detail === "Forbidden", "403");

const body = { refresh_token: login.data.refresh_token };
const refreshed = await client.POST("/auth/jwt/refresh", { body });
if (refreshed.data === undefined) throw new Error("not refreshed");
const refreshSeconds: number = refreshed.data.refresh_expires_in;
expect(refreshSeconds > seconds && refreshed.data.refresh_token !== body.refresh_token, "refresh");
const bad = await client.POST("/auth/jwt/refresh", { body: { refresh_token: "x" } });
if (bad.error === undefined || !("error" in bad.error)) throw new Error("refreshed");
expect(bad.response.status === 401 && bad.error.error === "invalid_grant", "no refresh");

const sessions = await client.GET("/users/me/sessions", {
  headers,
  params: { query: { limit: 10 } },
});
const [session, ...others] = sessions.data!.items;
expect(session?.current === true && others.length === 0, "the session");
const transport: "bearer" | "cookie" = session!.transport;
const seen: string | null = session!.last_seen_at;
expect(transport === "bearer" && seen !== null && sessions.data!.next === null, "its fields");
const gone = { headers, params: { path: { session_id: id! } } };
expect((await client.DELETE("/users/me/sessions/{session_id}", gone)).response.status === 404, "404");

const revoked = await client.POST("/auth/revoke", {
  body: { token: refreshed.data.refresh_token },
  ...form,
});
expect(revoked.response.status === 200, "revoked");
expect((await client.GET("/users/me", { headers })).response.status === 401, "ended");

const metrics = await client.GET("/metrics", {
  headers: { Authorization: `Bearer ${process.argv[3]!}` },
  parseAs: "text",
});
const text: string = metrics.data!;
expect(text.startsWith("# HELP "), "metrics");
console.log("done");
