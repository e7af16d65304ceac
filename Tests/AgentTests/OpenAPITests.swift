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

    /// What can be asked for: the method, the path as the document has it and in parts as the agent takes it, and the
    /// parameters.
    private struct Operation {
        var method: String
        var path: String
        var parts: [String]
        var parameters: [[String: Any]]
    }

    private static func operations() throws -> [Operation] {
        try paths().flatMap { path, operations in
            let parts = path.dropFirst("/v1/".count).replacing("{group}", with: "g").split(separator: "/")
                .map(String.init)
            return operations.map { method, operation in
                Operation(
                    method: method.uppercased(), path: path, parts: parts,
                    parameters: operation["parameters"] as? [[String: Any]] ?? [])
            }
        }
    }

    @Test func pathsAndMethodsAreTheSame() throws {
        let described = Set(try Self.operations().map { "\($0.method) \($0.path)" })
        let served = Set(Route.all.flatMap { route in route.methods.map { "\($0.rawValue) \(route.path)" } })
        #expect(described == served)
    }

    /// Each parameter that is described is taken; the parameters that no operation has are not.
    @Test func parametersAreTaken() throws {
        let samples = [
            "check": "true", "port": "a", "host": "192.0.2.0/24", "service": "tcp/80", "state": "established",
            "reason": "rule", "rule": "r", "all": "true", "count": "1", "generation": "1", "for": "60", "trial": "60",
            "message": "m", "force": "true", "session": "a 1 b 2", "watch": "true",
        ]
        for operation in try Self.operations() {
            let path = operation.path
            let names = operation.parameters.filter { $0["in"] as? String == "query" }.compactMap {
                $0["name"] as? String
            }
            for (name, value) in samples {
                // Either of them is needed where a port is let go.
                let other = ["/v1/quarantine", "/v1/ports"].contains(path) && name != "port" && name != "all"
                let query = [Target.Parameter(name, value)] + (other ? [.init("port", "a")] : [])
                let isTaken = Self.takes(operation.method, operation.parts, query)
                #expect(isTaken == names.contains(name), "\(operation.method) \(path) \(name)")
            }
        }
    }

    /// A number's bounds are taken, and what is beyond is not; of words the document lists all.
    @Test func boundsAndWordsAreTheSame() throws {
        var checked = 0
        for operation in try Self.operations() {
            for parameter in operation.parameters {
                let name = try #require(parameter["name"] as? String)
                let schema = try #require(parameter["schema"] as? [String: Any])
                let words = (schema["items"] as? [String: Any])?["enum"] as? [String]
                if name == "reason" { #expect(words == Reason.allCases.map(\.rawValue)) }
                if name == "state" { #expect(words == FlowState.allCases.map(\.rawValue)) }
                guard let least = schema["minimum"] as? Int, let most = schema["maximum"] as? Int else { continue }
                for (value, isFine) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                    let query = [Target.Parameter(name, "\(value)")]
                    let isTaken = Self.takes(operation.method, operation.parts, query)
                    #expect(isTaken == isFine, "\(operation.path) \(name)=\(value)")
                }
                checked += 1
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
