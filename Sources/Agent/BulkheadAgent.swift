// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Glibc
import Inventory
import Logging
import Rendering
import Requests
import Server
import ServiceLifecycle
import UnixSignals

/// The `bulkhead-agent` program: services that follow the host.
public struct BulkheadAgent: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bulkhead-agent",
        abstract: "Follow the host's devices with the policy in force.",
        discussion: """
            Started by the unit bulkhead-agent.service, or by `bulkhead agent`, whose page says what it does.

            Example:
              bulkhead-agent /etc/bulkhead/policy.yaml
            """,
        version: Version.current)

    @Argument(help: "The policy file that is read at SIGHUP, and at the start where no policy is in force.")
    var policy = "/etc/bulkhead/policy.yaml"
    @Option(help: ArgumentHelp("Which of several installations on this host is meant.", valueName: "name"))
    var instance = Controller.standardInstance
    @Option(
        name: .customLong("inventory"),
        help: ArgumentHelp(
            "Who knows workloads by name: \(SourceText.forms). May be repeated. Left out: \(SourceText.standardFile).",
            valueName: "source"))
    var inventory: [String] = []
    @Option(
        help: ArgumentHelp(
            "Where metrics are served: \(ServerAddress.forms). Left out: nowhere.", valueName: "address"))
    var metrics: String?
    @Option(
        help: ArgumentHelp(
            "Where commands of users who are not root are served: `default` is /run/bulkhead/INSTANCE.control. Left "
                + "out: nowhere.", valueName: "path"))
    var control: String?
    @Option(help: ArgumentHelp("The group whose members may read at the control socket.", valueName: "group"))
    var readers = Access.Names().readers
    @Option(help: ArgumentHelp("The group whose members may also change things there.", valueName: "group"))
    var operators = Access.Names().operators

    public init() {}

    /// The program. A main.swift would take `main()` for that of commands that do not wait.
    public static func start() async {
        do {
            var command = try parseAsRoot()
            if var agent = command as? BulkheadAgent { try await agent.run() } else { try command.run() }
        } catch {
            exit(withError: error)
        }
    }

    public func validate() throws {
        do {
            _ = try Controller(instance: instance)
        } catch {
            throw ValidationError("\(error)")
        }
        do {
            _ = try metrics.map { text throws(ServerError) in try ServerAddress(text) }
            _ = try controlPath.map { path throws(ServerError) in try ServerAddress("unix:\(path)") }
        } catch {
            throw ValidationError("\(error.cause); \(error.advice)")
        }
        if let unknown = inventory.first(where: { BulkheadAgent.source($0) == nil }) {
            throw ValidationError("'\(unknown)' is not a source of workloads; expected \(SourceText.forms)")
        }
        let names = inventory.compactMap(BulkheadAgent.source).map(\.name)
        guard Set(names).count == names.count else { throw ValidationError("a source of workloads is named twice") }
    }

    public mutating func run() async throws {
        // Whoever reads the log may go away.
        signal(SIGPIPE, SIG_IGN)
        do {
            let lock = try AgentLock(instance: instance)
            try await serve()
            _ = consume lock
        } catch let error as Refusal {
            let text = Array("Error: \(Words(error).text)\n".utf8)
            _ = unsafe write(STDERR_FILENO, text, text.count)
            throw ExitCode.failure
        }
    }

    private var controlPath: String? {
        control == "default" ? ControlSocket.path(instance: instance) : control
    }

    private static func source(_ text: String) -> (any WorkloadSource)? {
        SourceText.source(text, devices: KernelContainerDevices())
    }

    /// One group has all services: each ends when it is told to, and one that fails ends the agent.
    private func serve() async throws {
        var logger = Logger(label: "bulkhead-agent") { _ in AgentLog() }
        if instance != Controller.standardInstance { logger[metadataKey: "instance"] = "\(instance)" }
        let sources = inventory.isEmpty ? SourceText.standard : inventory.compactMap(BulkheadAgent.source)
        let board = AgentBoard()
        let follower = try Follower(
            instance: instance, policy: policy, sources: sources, logger: logger, board: board)
        var services: [any Service] = [follower, ReloadService(follower: follower)]
        if let address = try metrics.map({ try ServerAddress($0) }) {
            let pages = MetricPages(try Controller(instance: instance), board)
            services.append(try await MetricsService(address, pages, logger))
        }
        if let path = controlPath {
            let access = Access(Access.Names(readers: readers, operators: operators))
            let pages = ControlPages(try Controller(instance: instance), instance: instance, access)
            services.append(try await ControlService(path, pages, logger))
        }
        var quiet = logger
        quiet.logLevel = .error
        let group = ServiceGroup(
            configuration: .init(
                services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
    }
}

/// Has the policy's file read again at SIGHUP.
struct ReloadService: Service {
    let follower: Follower

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { follower.reload() }
    }
}
