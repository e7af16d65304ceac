// SPDX-License-Identifier: Apache-2.0

/// Expressions of nft's JSON in the words of its rules, about as `nft list ruleset` prints them.
enum NftWords {
    static func rule(_ expressions: [JSONValue]) -> String { expressions.map(statement).joined(separator: " ") }

    static func statement(_ value: JSONValue) -> String {
        guard let (key, body) = value.single else { return text(value) }
        switch key {
        case "match": return match(body)
        case "vmap": return "\(text(body["key"])) vmap \(text(body["data"]))"
        case "jump", "goto": return "\(key) \(body["target"]?.string ?? "")"
        case "accept", "drop", "return", "continue", "notrack", "masquerade": return key
        case "counter": return "counter"
        case "limit": return body.string.map { "limit name \($0)" } ?? limit(body)
        case "ct count": return "ct count \(body["inv"]?.isTrue == true ? "over " : "")\(text(body["val"]))"
        case "log": return "log" + (body["prefix"]?.string.map { " prefix \"\($0)\"" } ?? "")
        case "reject": return "reject"
        case "set":
            let more = (body["stmt"]?.items ?? []).map { " " + statement($0) }.joined()
            return "\(body["op"]?.string ?? "add") \(text(body["set"])) { \(text(body["elem"]))\(more) }"
        case "mangle": return "\(text(body["key"])) set \(text(body["value"]))"
        default: return (key + " " + text(body)).trimmingSpaces
        }
    }

    private static func match(_ body: JSONValue) -> String {
        let op = body["op"]?.string ?? "=="
        let sign = op == "==" || op == "in" ? "" : op + " "
        return "\(text(body["left"])) \(sign)\(text(body["right"]))"
    }

    private static func limit(_ body: JSONValue) -> String {
        let over = body["inv"]?.isTrue == true ? "over " : ""
        let unit = body["rate_unit"]?.string.map { " \($0)" } ?? ""
        return "limit rate \(over)\(body["rate"]?.word ?? "")\(unit)/\(body["per"]?.string ?? "second")"
    }

    static func text(_ value: JSONValue?) -> String {
        guard let value else { return "" }
        switch value.content {
        case .null: return ""
        case .bool(let isTrue): return isTrue ? "exists" : "missing"
        case .number(let text), .string(let text): return text
        case .array(let items): return items.map(text).joined(separator: ",")
        case .object(let fields):
            if let (key, body) = value.single { return expression(key, body) }
            return fields.map { "\($0.key) \(text($0.value))" }.joined(separator: " ")
        }
    }

    private static func expression(_ key: String, _ body: JSONValue) -> String {
        switch key {
        case "payload": "\(body["protocol"]?.string ?? "@") \(text(body["field"]))"
        case "meta", "ct", "rt", "socket", "osf":
            (["iifname", "oifname", "iif", "oif"].contains(body["key"]?.string) ? "" : key + " ") + text(body["key"])
        case "fib": "fib \(body["flags"]?.items.map(text).joined(separator: " . ") ?? "") \(text(body["result"]))"
        case "prefix": "\(text(body["addr"]))/\(text(body["len"]))"
        case "range": body.items.map(text).joined(separator: "-")
        case "set": "{ \(body.items.map(text).joined(separator: ", ")) }"
        case "concat": body.items.map(text).joined(separator: " . ")
        case "elem": text(body["val"])
        case "&", "|", "^", "<<", ">>": body.items.map(text).joined(separator: " \(key) ")
        case "accept", "drop", "return", "continue": key
        case "jump", "goto": "\(key) \(body["target"]?.string ?? "")"
        default: (key + " " + text(body)).trimmingSpaces
        }
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
