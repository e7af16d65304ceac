// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Requests
import Server
import Testing
import Wire

@testable import Agent

/// docs/openapi.json against the routes and parameters of the agent.
@Suite struct OpenAPITests {
    private static func paths() throws -> [String: [String: [String: Any]]] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let data = try Data(contentsOf: root.appending(path: "docs/openapi.json"))
        let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(file["paths"] as? [String: [String: [String: Any]]])
    }

    @Test func pathsAndMethodsAreTheSame() throws {
        var described: Set<String> = []
        for (path, operations) in try Self.paths() {
            for method in operations.keys { described.insert("\(method.uppercased()) \(path)") }
        }
        let served = Set(Route.all.flatMap { route in route.methods.map { "\($0.rawValue) \(route.path)" } })
        #expect(described == served)
    }

    /// Each parameter that is described is taken; the parameters that no operation has are not.
    @Test func parametersAreTaken() throws {
        let samples = [
            "check": "true", "port": "a", "host": "192.0.2.0/24", "service": "tcp/80", "state": "established",
            "reason": "rule", "rule": "r", "all": "true", "count": "1", "generation": "1", "for": "60", "trial": "60",
            "message": "m", "force": "true", "session": "a 1 b 2",
        ]
        for (path, operations) in try Self.paths() {
            let parts = path.dropFirst("/v1/".count).replacing("{group}", with: "g").split(separator: "/")
                .map(String.init)
            for (method, operation) in operations {
                let names = (operation["parameters"] as? [[String: Any]] ?? []).filter {
                    $0["in"] as? String == "query"
                }
                .compactMap { $0["name"] as? String }
                for (name, value) in samples {
                    // Either of them is needed where a port is let go.
                    let other = path == "/v1/quarantine" && name != "port" && name != "all"
                    let query = [Target.Parameter(name, value)] + (other ? [.init("port", "a")] : [])
                    let isTaken = Self.takes(method.uppercased(), parts, query)
                    #expect(isTaken == names.contains(name), "\(method) \(path) \(name)")
                }
            }
        }
    }

    /// A number's bounds are taken, and what is beyond is not; of words the document lists all.
    @Test func boundsAndWordsAreTheSame() throws {
        var checked = 0
        for (path, operations) in try Self.paths() {
            let parts = path.dropFirst("/v1/".count).replacing("{group}", with: "g").split(separator: "/")
                .map(String.init)
            for (method, operation) in operations {
                for parameter in operation["parameters"] as? [[String: Any]] ?? [] {
                    let name = try #require(parameter["name"] as? String)
                    let schema = try #require(parameter["schema"] as? [String: Any])
                    let words = (schema["items"] as? [String: Any])?["enum"] as? [String]
                    if name == "reason" { #expect(words == Reason.allCases.map(\.rawValue)) }
                    if name == "state" { #expect(words == FlowState.allCases.map(\.rawValue)) }
                    guard let least = schema["minimum"] as? Int, let most = schema["maximum"] as? Int else { continue }
                    for (value, isFine) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                        let query = [Target.Parameter(name, "\(value)")]
                        #expect(Self.takes(method.uppercased(), parts, query) == isFine, "\(path) \(name)=\(value)")
                    }
                    checked += 1
                }
            }
        }
        #expect(checked >= 6)
    }

    private static func takes(_ method: String, _ path: [String], _ query: [Target.Parameter]) -> Bool {
        var parameters = Parameters(query)
        let policy = Array(#"{"files": [{"name": "p", "text": ""}]}"#.utf8)
        let body = path == ["policy"] ? policy : Array("192.0.2.1\n".utf8)
        do {
            if method != "GET" {
                guard try Change(method, path, &parameters, body: body) != nil else { return false }
            } else if path == ["drops"] {
                _ = try EventQuestion(&parameters)
            } else {
                guard try Question(path, &parameters) != nil else { return false }
            }
            try parameters.end()
            return true
        } catch {
            return false
        }
    }
}
