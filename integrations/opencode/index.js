// Memento for opencode: recalls what bears on a prompt and on a file, and offers the MCP server `memento`.
//
// opencode keeps its conversations in a database that Memento reads, so nothing is recorded here: `memento hook --ask`
// only asks. Where Memento is missing, late or not running, opencode goes on as if this plugin were not there.
// Hooks: github.com/anomalyco/opencode, packages/plugin/src/index.ts (opencode 1).

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";

const LIMIT_MS = 2000;
const TOOLS = { read: "Read", edit: "Edit", write: "Write", patch: "apply_patch" };

/** Return what Memento has to say of an event, or an empty text. Never throws. */
export function ask(payload, command = process.env.MEMENTO_COMMAND ?? "memento") {
  return new Promise((resolve) => {
    const PATH = `${process.env.PATH ?? ""}:${process.env.HOME ?? ""}/.local/bin`;
    const child = spawn(command, ["hook", "--ask", "--agent", "opencode"], {
      env: { ...process.env, PATH },
      stdio: ["pipe", "pipe", "ignore"],
    });
    let said = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    const end = () => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(said).hookSpecificOutput.additionalContext ?? "");
      } catch {
        resolve("");
      }
    };
    child.on("error", end);
    child.on("close", end);
    child.stdin.on("error", () => {});
    child.stdout.on("data", (chunk) => (said += chunk));
    child.stdin.end(JSON.stringify(payload));
  });
}

export const Memento = async ({ directory }) => {
  const begun = new Set();
  const event = (name, session, more = {}) =>
    ask({ hook_event_name: name, session_id: session, cwd: directory, ...more });

  return {
    config: async (config) => {
      config.mcp ??= {};
      config.mcp.memento ??= { type: "local", command: ["memento", "mcp"], enabled: true };
    },

    "chat.message": async ({ sessionID }, { message, parts }) => {
      const prompt = parts.filter((one) => one.type === "text" && !one.synthetic).map((one) => one.text).join("\n");
      const told = [];
      if (!begun.has(sessionID)) {
        begun.add(sessionID);
        told.push(await event("SessionStart", sessionID, { source: "startup" }));
      }
      told.push(await event("UserPromptSubmit", sessionID, { prompt }));
      for (const text of told.filter(Boolean)) {
        const id = `prt_${randomUUID().replaceAll("-", "")}`;
        parts.push({ id, sessionID, messageID: message.id, type: "text", text, synthetic: true });
      }
    },

    "tool.execute.after": async ({ tool, sessionID, args }, output) => {
      const name = TOOLS[tool];
      const file = args?.filePath ?? output.metadata?.filepath ?? output.metadata?.filePath;
      if (!name || typeof output.output !== "string" || (!file && !args?.patchText)) return;
      const input = file ? { file_path: file } : { patch: args.patchText };
      const told = await event("PreToolUse", sessionID, { tool_name: name, tool_input: input });
      if (told) output.output += `\n\n${told}`;
    },
  };
};

export default Memento;
