// Uses the types that openapi-typescript makes in a page: the browser has the session's cookie.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const form = { headers: { "Content-Type": "application/x-www-form-urlencoded" } };
const connect = (baseUrl: string) => createClient<paths>({ baseUrl, credentials: "include" });

function expect(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

/** Register an account, and log in. */
export async function signUp(url: string, email: string, password: string): Promise<void> {
  const client = connect(url);
  const made = await client.POST("/auth/register", { body: { email, password } });
  expect(made.data?.email === email, "registered");
  const nobody = await client.GET("/users/me");
  expect(nobody.error?.detail === "Unauthorized", "no session yet");

  const body = { username: email, password };
  const wrong = { body: { ...body, password: "wrong" }, ...form };
  const refused = await client.POST("/auth/cookie/login", wrong);
  expect(refused.error?.detail === "LOGIN_BAD_CREDENTIALS", "refused");
  // @ts-expect-error No such code: the codes are enumerated.
  expect(refused.error?.detail !== "LOGIN_BAD_CREDENTIAL", "a code that does not exist");
  const login = await client.POST("/auth/cookie/login", { body, ...form });
  const nothing: undefined = login.data;
  expect(login.response.status === 204 && nothing === undefined, "logged in");
}

/** Change the password in the session of `signUp`, and log out. */
export async function changeAndSignOut(url: string, email: string, password: string): Promise<void> {
  const client = connect(url);
  const me = await client.GET("/users/me");
  expect(me.data?.email === email, "the account");

  const sessions = await client.GET("/users/me/sessions");
  const [session, ...others] = sessions.data?.items ?? [];
  expect(session?.current === true && others.length === 0, "the session");
  const transport: "bearer" | "cookie" | undefined = session?.transport;
  expect(transport === "cookie", "its transport");

  const changed = await client.PATCH("/users/me", { body: { password } });
  expect(changed.data?.id === me.data?.id, "changed");
  const out = await client.POST("/auth/cookie/logout");
  const nothing: undefined = out.data;
  expect(out.response.status === 204 && nothing === undefined, "logged out");
  const nobody = await client.GET("/users/me");
  expect(nobody.response.status === 401 && nobody.error?.detail === "Unauthorized", "401");
}
