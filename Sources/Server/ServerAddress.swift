// SPDX-License-Identifier: Apache-2.0

/// Where a server listens: nowhere that another host could reach.
package enum ServerAddress: Sendable, Hashable {
    /// A socket in the file system; who may use it is said by the folder that it is in.
    case unix(path: String)
    /// Every user of this host, and every container in its network namespace, may connect.
    case loopback(Loopback, port: UInt16)

    package enum Loopback: String, Sendable, Hashable {
        case version4 = "127.0.0.1"
        case version6 = "::1"
    }

    /// How an address is written.
    package static let forms = "unix:/PATH, 127.0.0.1:PORT or [::1]:PORT"

    package init(_ text: String) throws(ServerError) {
        if text.hasPrefix("unix:") {
            self = .unix(path: try Self.path(String(text.dropFirst("unix:".count))))
            return
        }
        guard let colon = text.lastIndex(of: ":") else { throw Self.unknown(text) }
        let (host, digits) = (text[..<colon], text[text.index(after: colon)...])
        let loopback: Loopback
        switch host {
        case "127.0.0.1": loopback = .version4
        case "[::1]": loopback = .version6
        case "", "localhost": throw Self.unknown(text)
        default:
            throw ServerError(
                "'\(text)' is not a loopback address: what is served tells of this host's policy and traffic, and "
                    + "nothing asks who reads it",
                advice: "write \(Self.forms); let a proxy that knows its readers serve other hosts")
        }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
            throw ServerError("'\(digits)' is not a port from 1 to 65535", advice: "write \(Self.forms)")
        }
        self = .loopback(loopback, port: port)
    }

    private static func path(_ path: String) throws(ServerError) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 2, parts[0].isEmpty, !parts.dropFirst().contains(where: { ["", ".", ".."].contains($0) })
        else {
            throw ServerError(
                "'\(path)' is not the whole path of a socket in a folder", advice: "write unix:/run/bulkhead/metrics")
        }
        return path
    }

    private static func unknown(_ text: String) -> ServerError {
        ServerError("'\(text)' is not an address to serve at", advice: "write \(forms)")
    }
}

extension ServerAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .loopback(.version4, let port): "127.0.0.1:\(port)"
        case .loopback(.version6, let port): "[::1]:\(port)"
        }
    }

    /// Whether a request that names this host was meant for this server. A page that a browser on this host shows can
    /// have it ask any loopback address, under a name of the page's own choice.
    func isNamed(_ host: String) -> Bool {
        guard case .loopback = self else { return true }
        let name: Substring
        if host.hasPrefix("[") {
            name = host.prefix { $0 != "]" }.dropFirst()
        } else {
            name = host.prefix { $0 != ":" }
        }
        return ["localhost", Loopback.version4.rawValue, Loopback.version6.rawValue].contains(name.lowercased())
    }
}
