// SPDX-License-Identifier: Apache-2.0
import Control
import Host
import Rendering
import Requests
import Server

/// What is answered at the control socket.
final class ControlPages: ServerPages {
    let controller: Controller
    let instance: String
    let access: Access
    let streams = StreamPlaces(all: StreamPlaces.ofDrops, ofUser: 2)
    let watches = StreamPlaces(all: StreamPlaces.ofCounters, ofUser: 2)
    /// There is one thread for them.
    private let flowPlaces = StreamPlaces(all: 1, ofUser: 1)
    /// For which one who reads them slowly keeps others from it.
    private static let longestFlows = Duration.seconds(60)

    init(_ controller: Controller, instance: String, _ access: Access) {
        self.controller = controller
        self.instance = instance
        self.access = access
    }

    // MARK: Who may

    func refusal(of peer: Peer?) -> ServerAnswer? {
        access.right(of: peer) >= .read
            ? nil : missing(access.names.readers, "reads what the policy is and does", peer)
    }

    private func missing(_ group: String, _ deed: String, _ peer: Peer?) -> ServerAnswer {
        .refused(
            403, "only root and members of group '\(group)' may do this, and user \(peer?.user ?? .max) is not one",
            advice: "have root add the user ('adduser USER \(group)'), who then logs in anew: the group \(deed)")
    }

    func admission(of request: ServerRequest) -> ServerAdmission {
        let routes = Route.methods(of: request)
        guard !routes.isEmpty else {
            return .refused(.refused(404, "there is nothing of this name", advice: "openapi.json lists what there is"))
        }
        guard routes.contains(request.method) else {
            var answer = ServerAnswer.refused(405, "this is not for \(request.method.rawValue)", advice: nil)
            answer.fields = [("Allow", routes.map(\.rawValue).joined(separator: ", "))]
            return .refused(answer)
        }
        if request.method.isReading { return .granted(bodyBytes: 0) }
        guard access.right(of: request.peer) >= .change else {
            let deed = "changes the policy and groups, cuts ports off and detaches them, and ends flows"
            return .refused(missing(access.names.operators, deed, request.peer))
        }
        // A name would be nobody's in the log: whoever has numbers of /etc/subuid may take one of them.
        guard let peer = request.peer, peer.user == 0 || Operator.isKnown(peer.user) else {
            return .refused(
                .refused(403, "user \(request.peer?.user ?? .max) has no name on this host", advice: "be who you are"))
        }
        // A policy of 100,000 rules has some 10 MiB. Nothing else is long.
        return .granted(bodyBytes: Route.path(request) == ["policy"] ? 64 << 20 : 1 << 20)
    }

    // MARK: Answers

    func answer(_ request: ServerRequest, _ server: ServerFigures) -> ServerAnswer {
        do {
            return try answered(request)
        } catch let bad as BadRequest {
            return .refused(400, Words.escaped(bad.words), advice: "openapi.json says what there is")
        } catch {
            return .failed(error)
        }
    }

    private func answered(_ request: ServerRequest) throws -> ServerAnswer {
        guard let query = request.query else { throw BadRequest("the query is not text") }
        var parameters = Parameters(query.map { Target.Parameter($0.name, $0.value) })
        let isCommand = request.accept.contains { $0.hasPrefix(Piece.contentType) }
        let look = isCommand ? try Presentation(&parameters) : Presentation(isJSON: true)
        let path = Route.path(request) ?? []
        if path == ["drops"] {
            let question = try EventQuestion(&parameters)
            try parameters.end()
            return try drops(question, look, isCommand, request)
        }
        if !request.method.isReading { return try change(request, path, &parameters, look, isCommand) }
        guard let question = try Question(path, &parameters) else {
            return .refused(404, "there is nothing of this name", advice: nil)
        }
        try parameters.end()
        switch question {
        case .flows: return try flows(question, look, isCommand, request)
        case .counters(watches: true): return try watchCounters(look, isCommand, request)
        default: break
        }
        var text = ""
        try question.answer(of: controller, instance: instance, look) { text += isCommand ? $0.line : $0.plain }
        return ServerAnswer(type: isCommand ? Piece.contentType : "application/json", body: ServerBody(text))
    }

    private func change(
        _ request: ServerRequest, _ path: [String], _ parameters: inout Parameters, _ look: Presentation,
        _ isCommand: Bool
    ) throws -> ServerAnswer {
        let change = try Change(request.method.rawValue, path, &parameters, body: request.body)
        guard let change, let peer = request.peer else {
            return .refused(404, "there is nothing of this name", advice: nil)
        }
        try parameters.end()
        let author = ChangeLog.Author(person: .user(peer.user), process: peer.process, isThroughAgent: true)
        var text = ""
        // What cannot be noted is not done.
        let warning = try ChangeLog(instance: instance, makesFolder: true).noting(
            change.deed, change.object, change.terms, by: author, on: controller
        ) {
            try change.perform(on: controller, instance: instance, by: author.person, look) {
                text += isCommand ? $0.line : $0.plain
            }
        }
        if let warning, isCommand { text += Piece.notice("warning: \("\(warning)")").line }
        return ServerAnswer(type: isCommand ? Piece.contentType : "application/json", body: ServerBody(text))
    }

    /// There may be a million: they are not kept as text.
    private func flows(
        _ question: Question, _ look: Presentation, _ isCommand: Bool, _ request: ServerRequest
    ) throws -> ServerAnswer {
        guard let place = flowPlaces.take(request.peer?.user ?? .max) else {
            return .refused(503, "others read flows through the agent", advice: "try again, or read them as root")
        }
        let (controller, instance) = (controller, instance)
        // What is wrong with the question is found before the answer begins.
        if case .flows(let asked) = question { try controller.checkFlows(asked) }
        return .lines(isCommand) { stream in
            let end = ContinuousClock.now + Self.longestFlows
            defer { withExtendedLifetime(place) {} }
            Self.finish(stream, isCommand) {
                try question.answer(of: controller, instance: instance, look) { piece in
                    let text = isCommand ? piece.line : piece.plain
                    if !text.isEmpty, !stream.write(text) || ContinuousClock.now > end { throw Gone() }
                }
            }
        }
    }

    /// Says why an answer ends before its time.
    static func finish(_ stream: ServerStream, _ isCommand: Bool, _ body: () throws -> Void) {
        do {
            try body()
        } catch is Gone {
        } catch {
            let words = Words(failure: error) ?? "\("\(error)")"
            _ = stream.write(isCommand ? Piece.failure(words).line : "\(["failure": .string(words.text)] as JSON)\n")
        }
    }
}

/// The client is gone.
struct Gone: Error {}

extension Piece {
    /// For a program that asks for the document alone.
    var plain: String { if case .output(let text) = self { text } else { "" } }
}

/// What there is.
enum Route {
    static func path(_ request: ServerRequest) -> [String]? {
        Target.parts(of: request.path, decoded: ServerRequest.decoded)
    }

    struct Entry: Sendable {
        /// As docs/openapi.json writes it.
        let path: String
        let methods: [ServerRequest.Method]
        private let parts: [String]

        init(_ path: String, _ methods: ServerRequest.Method...) {
            self.path = path
            self.methods = methods
            parts = path.split(separator: "/").dropFirst().map(String.init)
        }

        func matches(_ path: [String]) -> Bool {
            path.count == parts.count && zip(path, parts).allSatisfy { $0 == $1 || $1 == "{group}" }
        }
    }

    static let all = [
        Entry("/v1/status", .get), Entry("/v1/counters", .get), Entry("/v1/flows", .get, .delete),
        Entry("/v1/drops", .get), Entry("/v1/ports", .delete),
        Entry("/v1/policy", .get, .post), Entry("/v1/generations", .get), Entry("/v1/groups", .get),
        Entry("/v1/groups/{group}", .get), Entry("/v1/groups/{group}/members", .post, .delete),
        Entry("/v1/quarantine", .post, .delete), Entry("/v1/confirm", .post), Entry("/v1/rollback", .post),
    ]

    /// With what methods something of this name can be asked for.
    static func methods(of request: ServerRequest) -> [ServerRequest.Method] {
        guard let path = path(request) else { return [] }
        return all.first { $0.matches(path) }?.methods ?? []
    }
}

extension ServerAnswer {
    static func refused(_ status: Int, _ message: String, advice: String?, notices: [String] = []) -> ServerAnswer {
        let body: JSON = [
            "message": .string(message), "advice": JSON(advice), "notices": JSON(notices),
        ]
        return ServerAnswer(status: status, type: "application/json", body: ServerBody("\(body)\n"))
    }

    /// What the command would say of it.
    static func failed(_ error: any Error) -> ServerAnswer {
        let parts = FailureParts(error)
        return refused(409, parts.message.text, advice: parts.advice?.text, notices: parts.notices.map(\.text))
    }

    /// An answer that goes on, a line of JSON at a time.
    static func lines(_ isCommand: Bool, _ body: @escaping @Sendable (ServerStream) -> Void) -> ServerAnswer {
        var answer = ServerAnswer(type: isCommand ? Piece.contentType : "application/x-ndjson", body: ServerBody(""))
        answer.stream = body
        return answer
    }
}
