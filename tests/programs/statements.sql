pragma journal_mode = wal;
create table numbers (n integer primary key, square integer);
with recursive counter(n) as (select 1 union all select n + 1 from counter where n < 5000)
insert into numbers select n, n * n from counter;
create index squares on numbers (square);
select count(*), sum(square) from numbers;
select n from numbers where square between 100 and 200 order by n desc;
begin;
delete from numbers where n % 2;
rollback;
select count(*) from numbers;
pragma integrity_check;
select no_such_function();
